"""The exported decoder says what the torch one says, word after word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="exporting needs the extra `train`")

import onnx
import torch

from pellucid.export.caption import caption_model, export_caption, write_quantised
from pellucid.nets.caption import CaptionDecoder, DecoderShape, pool_patches
from pellucid.records.checkpoint import Checkpoint, Origin, write_checkpoint
from pellucid.runtime.caption import NOTHING_YET, Captioner
from pellucid.runtime.session import Session, open_exact, open_session
from pellucid.runtime.vocabulary import SPECIAL, Decoding, Vocabulary, write_vocabulary

# torch's own exporter calls what torch deprecates.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]
SHAPE = DecoderShape(words=30, width=32, layers=2, heads=2, feed_forward=64, max_words=8)
DECODING = Decoding(beams=3, min_words=2, max_words=8, length_power=0.7, never_last=(), may_repeat=(), score_floor=0.0)
SENTENCES = np.array([[1, 9, 4, 7], [1, 7, 5, 6]])


@pytest.fixture(scope="module")
def decoder() -> CaptionDecoder:
    torch.manual_seed(0)
    return CaptionDecoder(SHAPE).eval()


@pytest.fixture(scope="module")
def picture() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    return {
        name: draw.normal(size=shape).astype(np.float32) for name, shape in (("patches", (1, 196, 768)), ("embedding", (1, 512)))
    }


def step_by_step(session: Session, picture: dict[str, np.ndarray]) -> np.ndarray:
    """Log-probabilities [sentences, words, v] of the word after each, asked one word at a time."""
    cross = past = NOTHING_YET
    answers = []
    for place in range(SENTENCES.shape[1]):
        words = SENTENCES[:1, 0] if place == 0 else SENTENCES[:, place]
        outputs = session.run({**picture, "words": words, "position": np.array([place]), "cross": cross, "past": past})
        cross, past = outputs["cross_out"], outputs["past_out"]
        if place == 0:
            past = np.repeat(past, 2, axis=2)
        answers.append(np.broadcast_to(outputs["log_probs"], (2, SHAPE.words)))
    return np.stack(answers, axis=1)


def at_once(decoder: CaptionDecoder, picture: dict[str, np.ndarray]) -> np.ndarray:
    with torch.no_grad():
        patches, embedding = (torch.from_numpy(picture[name]) for name in ("patches", "embedding"))
        cross = decoder.memory(pool_patches(patches, SHAPE.pool), embedding).expand(-1, -1, 2, -1, -1)
        answer: np.ndarray = decoder(torch.from_numpy(SENTENCES), cross).log_softmax(-1).numpy()
    return answer


def test_word_by_word_in_the_file_is_all_at_once_in_torch(
    decoder: CaptionDecoder, picture: dict[str, np.ndarray], tmp_path: Path
) -> None:
    onnx.save(caption_model(decoder), str(tmp_path / "caption.onnx"))
    session = open_session(tmp_path / "caption.onnx", "onnxruntime", 1)
    np.testing.assert_allclose(step_by_step(session, picture), at_once(decoder, picture), atol=1e-4)


def test_int8_weights_change_little(decoder: CaptionDecoder, picture: dict[str, np.ndarray], tmp_path: Path) -> None:
    write_quantised(caption_model(decoder), tmp_path / "caption.onnx")
    session = open_exact(tmp_path / "caption.onnx")
    np.testing.assert_allclose(step_by_step(session, picture), at_once(decoder, picture), atol=0.25)


def test_a_checkpoint_becomes_a_captioner(decoder: CaptionDecoder, picture: dict[str, np.ndarray], tmp_path: Path) -> None:
    recipe = {
        "decoder": {"width": 32, "layers": 2, "heads": 2, "feed_forward": 64, "pool": 2}, "data": {"max_words": 8},
    }  # fmt: skip
    weights = {name: tensor.numpy() for name, tensor in decoder.state_dict().items()}
    words = (*SPECIAL, *(f"word{number}" for number in range(26)))
    (tmp_path / "checkpoint").mkdir()
    write_vocabulary(Vocabulary(words, DECODING), tmp_path / "checkpoint" / "vocabulary.json")
    write_checkpoint(Checkpoint(Origin("caption", recipe, "-", "-", "-"), weights), tmp_path / "checkpoint")
    export_caption(tmp_path / "checkpoint", tmp_path / "bundle")
    captioner = Captioner.open(tmp_path / "bundle")
    results = [captioner.describe(picture["patches"][0], picture["embedding"][0]) for _ in range(2)]
    assert results[0] == results[1]
    assert results[0].text.startswith("Word")
    assert 0 < results[0].score < 1
