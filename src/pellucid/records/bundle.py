"""The model artefact that is served: a folder of ONNX files, small arrays and one `bundle.json` (design section 6)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

# OpenAI CLIP's own normalisation (github.com/openai/CLIP, `clip.py`).
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class ViewSpec(BaseModel):
    """The numbers of the preprocessing chain. Sides in pixels; JPEG quality as libjpeg counts it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    side_px: int = 272
    jpeg_quality: int = 80
    encoder_px: int = 224
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD
