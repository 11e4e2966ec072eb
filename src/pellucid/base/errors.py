"""Every error a person can meet, in one tree; each leaf has a stable code and an HTTP status.

    PellucidError
    ├── InputError            what was sent cannot be answered (4xx)
    │   ├── EmptyBody, BodyTooLarge, BodyTooSlow, BadRequest, NotMultipart
    │   ├── InvalidParameter, MethodNotAllowed, IdempotencyMismatch, BadPolicy
    │   ├── Unauthorized, Forbidden, RateLimited, KeyNotActive
    │   ├── HostRefused, ForeignOrigin         a browser was led here by another site
    │   ├── BadCsrf, InsecureSignIn, SignInFailed, TooManySignIns    of the console
    │   ├── BadExchange       a file of hashes for a bank
    │   ├── FetchError        a picture given by its address
    │   │   └── FetchDisabled, AddressRefused, FetchFailed, FetchTooSlow
    │   └── ImageError        the bytes are not a picture we accept
    │       └── NotAnImage, UnsupportedFormat, BrokenImage, TooManyPixels, ImageTooSmall,
    │           DecoderCrashed, DecoderTooSlow
    ├── NotFound              no such analysis, page or heat map
    │   └── Deleted, NothingRestricted    there was one; no reasons are owed
    ├── PictureWithheld       a hash bank blocks the picture: nobody is shown it
    ├── NotAnswered           accepted, and not answered yet
    ├── AnalysisFailed        accepted, and could not be answered; kept as the reason of one: GaveUp
    ├── AppealOpen            an appeal waits for its ruling; a second one cannot be made
    ├── Unavailable           try again: stopping
    │   └── Starting, Busy, AnalysisTooSlow
    ├── ProviderFailed        the OpenID provider did not answer as asked
    ├── DescriberError        a describer elsewhere did not answer as asked; its part of the report is missing
    ├── SigningFailed         the site's key is set and cannot sign
    ├── ConfigError           a setting, recipe or policy is wrong; says file and line where it can
    ├── BundleError           a bundle is damaged, unlicensed or of an unknown schema
    ├── DataError             a dataset, feature folder or checkpoint is damaged or refused
    │   └── LeakError         the guard refused: file facts predict the label
    └── TrainingFailed        workers died too often, or the cluster's job did not end well

Codes are part of the API: they are never renamed. `docs/errors.md` lists them and a test keeps that list whole.
"""

from __future__ import annotations


class PellucidError(Exception):
    """Base of the tree. `code` is stable, `status` is what an HTTP client sees, `title` is a short sentence."""

    code = "internal"
    status = 500
    title = "Something went wrong on our side"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title


def error_of(code: str, detail: str) -> PellucidError:
    """The error that was kept as its code and detail."""
    below = [PellucidError]
    for kind in below:
        if kind.code == code:
            return kind(detail)
        below += kind.__subclasses__()
    return PellucidError(detail)


class InputError(PellucidError):
    code = "bad-input"
    status = 400
    title = "The request cannot be answered as sent"


class BadRequest(InputError):
    code = "bad-request"
    title = "The request is malformed"


class NotMultipart(InputError):
    code = "bad-multipart"
    title = "The multipart body is malformed"


class EmptyBody(InputError):
    code = "empty-body"
    title = "The body is empty"


class BodyTooLarge(InputError):
    code = "body-too-large"
    status = 413
    title = "The body is larger than this service accepts"


class BodyTooSlow(InputError):
    code = "body-too-slow"
    status = 408
    title = "The body did not arrive in time"


class InvalidParameter(InputError):
    code = "invalid-parameter"
    status = 422
    title = "A parameter is missing or has a value that is not allowed"


class MethodNotAllowed(InputError):
    code = "method-not-allowed"
    status = 405
    title = "This address does not answer to this method"


class Unauthorized(InputError):
    code = "unauthorized"
    status = 401
    title = "A valid API key is needed"


class Forbidden(InputError):
    code = "forbidden"
    status = 403
    title = "The API key does not allow this"


class RateLimited(InputError):
    code = "rate-limited"
    status = 429
    title = "The API key has used up its requests for now"

    def __init__(self, detail: str = "", retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class KeyNotActive(InputError):
    code = "key-not-active"
    status = 409
    title = "The API key is revoked or has expired"


class HostRefused(InputError):
    code = "host-refused"
    status = 421
    title = "Without keys and accounts the service answers to names of loopback only"


class ForeignOrigin(InputError):
    code = "foreign-origin"
    status = 403
    title = "The request was made by a page of another site"


class BadCsrf(InputError):
    code = "bad-csrf"
    status = 403
    title = "The form was not sent by a page of this console, or is too old"


class InsecureSignIn(InputError):
    code = "insecure-sign-in"
    status = 403
    title = "Signing in needs https"


class SignInFailed(InputError):
    code = "sign-in-failed"
    status = 401
    title = "The sign-in failed"


class TooManySignIns(RateLimited):
    code = "too-many-sign-ins"
    title = "Too many sign-ins failed; wait before the next"


class BadExchange(InputError):
    code = "bad-exchange-file"
    status = 422
    title = "The file of hashes cannot be read"


class FetchError(InputError):
    code = "bad-fetch"
    title = "The picture at this address cannot be fetched"


class FetchDisabled(FetchError):
    code = "fetch-disabled"
    status = 403
    title = "This service does not fetch pictures by address"


class AddressRefused(FetchError):
    code = "address-refused"
    status = 422
    title = "Pictures are not fetched from this address"


class FetchFailed(FetchError):
    code = "fetch-failed"
    status = 422
    title = "The address did not answer with a picture"


class FetchTooSlow(FetchError):
    code = "fetch-too-slow"
    status = 422
    title = "The address did not answer in time"


class IdempotencyMismatch(InputError):
    code = "idempotency-mismatch"
    status = 422
    title = "The idempotency key was used for another request"


class ImageError(InputError):
    code = "bad-image"
    status = 422
    title = "The picture cannot be read"


class NotAnImage(ImageError):
    code = "not-an-image"
    status = 415
    title = "The bytes are not a picture"


class UnsupportedFormat(ImageError):
    code = "unsupported-format"
    status = 415
    title = "The picture's format is not accepted"


class BrokenImage(ImageError):
    code = "broken-image"
    title = "The picture is damaged or cut short"


class TooManyPixels(ImageError):
    code = "too-many-pixels"
    status = 413
    title = "The picture has more pixels than this service accepts"


class ImageTooSmall(ImageError):
    code = "image-too-small"
    title = "The picture is too small to be judged"


class DecoderCrashed(ImageError):
    code = "decoder-crashed"
    title = "The picture makes its decoder crash"


class DecoderTooSlow(ImageError):
    code = "decoder-too-slow"
    title = "The picture takes its decoder too long"


class NotFound(PellucidError):
    code = "not-found"
    status = 404
    title = "There is no such thing here"


class PictureWithheld(PellucidError):
    code = "picture-withheld"
    status = 451
    title = "A hash bank blocks this picture, so it is shown to nobody"


class Deleted(NotFound):
    code = "deleted"
    status = 410
    title = "The analysis was deleted"


class NotAnswered(PellucidError):
    code = "not-answered-yet"
    status = 409
    title = "The picture is accepted and not answered yet"


class AnalysisFailed(PellucidError):
    code = "analysis-failed"
    status = 409
    title = "The picture was accepted and could not be answered"


class GaveUp(PellucidError):
    code = "gave-up"
    title = "The picture was tried several times and never answered"


class AppealOpen(PellucidError):
    code = "appeal-open"
    status = 409
    title = "There is an appeal on this analysis already"


class NothingRestricted(NotFound):
    code = "nothing-restricted"
    title = "Nothing is restricted or labelled, so no reasons are owed"


class BadPolicy(InputError):
    code = "bad-policy"
    status = 422
    title = "The policy is wrong"


class Unavailable(PellucidError):
    code = "unavailable"
    status = 503
    title = "The service cannot answer just now"


class Starting(Unavailable):
    code = "starting"
    title = "The models are still being loaded"


class Busy(Unavailable):
    code = "busy"
    title = "More pictures are waiting than this service accepts"


class AnalysisTooSlow(Unavailable):
    code = "analysis-too-slow"
    title = "The picture was not answered in the time allowed"


class ProviderFailed(PellucidError):
    code = "provider-failed"
    status = 502
    title = "The OpenID provider did not answer as asked"


class DescriberError(PellucidError):
    code = "describer-failed"
    status = 502
    title = "The describer did not answer as asked"


class SigningFailed(PellucidError):
    code = "signing-failed"
    title = "The derivative cannot be signed"


class ConfigError(PellucidError):
    code = "bad-config"
    title = "A setting, recipe or policy is wrong"


class BundleError(PellucidError):
    code = "bad-bundle"
    title = "The bundle cannot be used"


class DataError(PellucidError):
    code = "bad-data"
    title = "The data cannot be used"


class LeakError(DataError):
    code = "label-leak"
    title = "Facts about the files predict the label"


class TrainingFailed(PellucidError):
    code = "training-failed"
    title = "The training did not come to its end"
