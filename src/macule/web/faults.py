"""The web's own errors, and the one table that gives each error class its HTTP status."""

from __future__ import annotations

from http import HTTPStatus

from macule import errors


class Busy(errors.MaculeError):
    """Every worker is taken and the queue is full. `retry_after`: seconds."""

    code = "busy"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotReady(errors.EnvironmentFault):
    """The model is still being loaded."""

    code = "not_ready"


class PictureMissing(errors.InputError):
    code = "picture_missing"


class MalformedRequest(errors.InputError):
    """Not multipart/form-data, cut short, or with fields that are not ours."""

    code = "malformed_request"


class UploadTooSlow(errors.InputError):
    code = "upload_too_slow"


class PreconditionFailed(errors.Conflict):
    """If-Match names a version that is no longer the stored one."""

    code = "precondition_failed"


STATUS: dict[type[errors.MaculeError], int] = {
    errors.MaculeError: 500,
    errors.InputError: 400,
    errors.UnreadableImage: 422,
    errors.UnsupportedImage: 415,
    errors.ImageTooLarge: 413,
    errors.InvalidMetadata: 422,
    errors.InputNotFound: 404,
    errors.RunDamaged: 422,
    errors.DatasetError: 422,
    errors.LeakingSplit: 422,
    errors.UsageError: 400,
    errors.TrainingFault: 500,
    errors.Diverged: 500,
    errors.TooFewPictures: 422,
    errors.ClassMissing: 422,
    errors.CheckpointDamaged: 500,
    errors.OutOfSpace: 507,
    errors.OutOfMemory: 503,
    errors.RecordFault: 400,
    errors.NoSuchRecord: 404,
    errors.RecordInvalid: 422,
    errors.Conflict: 409,
    errors.ConsentMissing: 409,
    errors.NotSignedIn: 401,
    errors.NotAllowed: 403,
    errors.TooManyAttempts: 429,
    errors.AuditBroken: 500,
    errors.EnvironmentFault: 500,
    errors.DatabaseAway: 503,
    errors.StoreAway: 503,
    errors.KeyMissing: 503,
    errors.PictureDamaged: 500,
    errors.BundleNotFound: 503,
    errors.BundleInvalid: 503,
    errors.MissingExtra: 501,
    errors.DownloadFailed: 502,
    errors.ExportMismatch: 500,
    PictureMissing: 400,
    MalformedRequest: 400,
    UploadTooSlow: 408,
    PreconditionFailed: 412,
    Busy: 503,
    NotReady: 503,
}


def status_of(fault: errors.MaculeError) -> int:
    """The status of the nearest class in the table."""
    return next(STATUS[kind] for kind in type(fault).__mro__ if kind in STATUS)


def headers_of(fault: errors.MaculeError) -> dict[str, str]:
    """Retry-After, where waiting helps."""
    return {"Retry-After": str(fault.retry_after)} if isinstance(fault, Busy | errors.TooManyAttempts) else {}


def code_of(status: int) -> str:
    """What an error of the framework is called: `not_found`, `method_not_allowed`."""
    return HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")
