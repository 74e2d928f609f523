"""Every error macule raises on purpose.

    MaculeError
    ├── InputError              the caller's picture, folder or metadata is at fault; other inputs still run
    │   ├── UnreadableImage         truncated, empty, not a picture, or not decodable
    │   ├── UnsupportedImage        a picture, but of a kind that is refused (animation, unknown format)
    │   ├── ImageTooLarge           more pixels or bytes than the cap; refused before decoding
    │   ├── InvalidMetadata         age, sex, site or modality outside its vocabulary
    │   ├── InputNotFound           a path that does not exist or may not be read
    │   ├── RunDamaged              a run's record or curve that cannot be read
    │   └── DatasetError            a table or folder that does not follow its publisher's layout
    │       └── LeakingSplit            lesions that the bundle was fitted on are to be scored
    ├── UsageError              options that contradict each other
    ├── TrainingFault           a training run could not go on, or its model could not be fitted
    │   ├── Diverged                the loss is not a number
    │   ├── TooFewPictures          too few pictures, or lesions, of a kind to fit what was asked for
    │   ├── ClassMissing            a class to be learnt has no picture in the training part
    │   ├── CheckpointDamaged       a checkpoint that cannot be read, or lacks a part
    │   ├── OutOfSpace              the disk of the run's folder is full
    │   └── OutOfMemory             the run needs more memory than the machine or the accelerator has
    ├── RecordFault             what was asked of the clinic's records cannot be done
    │   ├── NoSuchRecord            no such patient, lesion, exam or user, or none that this person may know of
    │   ├── RecordInvalid           a field outside its vocabulary or bounds
    │   ├── Conflict                somebody else changed it meanwhile, or it was done already
    │   ├── ConsentMissing          the patient has not consented to the wording in force
    │   ├── NotSignedIn             no session, or one that has ended
    │   ├── NotAllowed              signed in, but not entitled to this
    │   ├── TooManyAttempts         a rate limit; see `retry_after`
    │   └── AuditBroken             the audit log was changed or lacks a row
    └── EnvironmentFault        the installation is at fault
        ├── DatabaseAway            the database does not answer
        ├── StoreAway               the picture store cannot be read or written: full, read-only or gone
        ├── KeyMissing              the key that pictures are encrypted with is not there
        ├── PictureDamaged          a stored picture is not the one that was put there
        ├── BundleNotFound          no bundle of that name
        ├── BundleInvalid           a bundle whose files are damaged or contradict each other
        ├── MissingExtra            an optional dependency is not installed
        ├── DownloadFailed          a file could not be got whole, or is not the one that the publisher shipped
        └── ExportMismatch          the exported graph answers otherwise than the network that was trained

Each message says what was wrong, the value received and what to do. `code` is stable: it stands in the JSON, in the
CSV's `error` column, and maps to an HTTP status.
"""

from __future__ import annotations

from collections.abc import Mapping


class MaculeError(Exception):
    """Root of the tree. `code`: stable, snake_case."""

    code = "macule_error"

    def to_dict(self) -> dict[str, str]:
        return {"code": self.code, "message": str(self)}


class InputError(MaculeError):
    code = "input_error"


class UnreadableImage(InputError):
    code = "unreadable_image"


class UnsupportedImage(InputError):
    code = "unsupported_image"


class ImageTooLarge(InputError):
    code = "image_too_large"


class InvalidMetadata(InputError):
    code = "invalid_metadata"


class InputNotFound(InputError):
    code = "input_not_found"


class RunDamaged(InputError):
    code = "run_damaged"


class DatasetError(InputError):
    code = "dataset_error"


class LeakingSplit(DatasetError):
    code = "leaking_split"


class UsageError(MaculeError):
    code = "usage_error"


class TrainingFault(MaculeError):
    code = "training_fault"


class Diverged(TrainingFault):
    code = "diverged"


class TooFewPictures(TrainingFault):
    code = "too_few_pictures"


class ClassMissing(TrainingFault):
    code = "class_missing"


class CheckpointDamaged(TrainingFault):
    code = "checkpoint_damaged"


class OutOfSpace(TrainingFault):
    code = "out_of_space"


class OutOfMemory(TrainingFault):
    code = "out_of_memory"


class RecordFault(MaculeError):
    code = "record_fault"


class NoSuchRecord(RecordFault):
    code = "no_such_record"


class RecordInvalid(RecordFault):
    """fields: {name: message}, for a form that shows each message beside its field."""

    code = "record_invalid"

    def __init__(self, message: str, *, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = dict(fields or {})


class Conflict(RecordFault):
    code = "conflict"


class ConsentMissing(RecordFault):
    code = "consent_missing"


class NotSignedIn(RecordFault):
    code = "not_signed_in"


class NotAllowed(RecordFault):
    code = "not_allowed"


class TooManyAttempts(RecordFault):
    """retry_after: seconds."""

    code = "too_many_attempts"

    def __init__(self, message: str, *, retry_after: int = 60) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AuditBroken(RecordFault):
    code = "audit_broken"


class EnvironmentFault(MaculeError):
    code = "environment_fault"


class DatabaseAway(EnvironmentFault):
    code = "database_away"


class StoreAway(EnvironmentFault):
    code = "store_away"


class KeyMissing(EnvironmentFault):
    code = "key_missing"


class PictureDamaged(EnvironmentFault):
    code = "picture_damaged"


class BundleNotFound(EnvironmentFault):
    code = "bundle_not_found"


class BundleInvalid(EnvironmentFault):
    code = "bundle_invalid"


class MissingExtra(EnvironmentFault):
    code = "missing_extra"


class DownloadFailed(EnvironmentFault):
    code = "download_failed"


class ExportMismatch(EnvironmentFault):
    code = "export_mismatch"
