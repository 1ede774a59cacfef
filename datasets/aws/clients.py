"""boto3 clients that wait their turn, and AWS's errors in words that say what to do."""

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.parsers import ResponseParserError

from inferplan.datasets.aws.credentials import NO_CREDENTIALS
from inferplan.datasets.aws.token_bucket import shared_bucket
from inferplan.datasets.errors import SourceAnswerError, SourceSkippedError, UnknownNameError

DEFAULT_REGION = "us-east-1"
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_WRONG = frozenset(
    {"UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "InvalidSignatureException"}
)
_CLOCK = frozenset({"RequestTimeTooSkewed", "SignatureDoesNotMatch"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_THROTTLED = frozenset(
    {"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"}
)


def known_region(region: str | None) -> str:
    """Return ``region``, or the configured one, or us-east-1; refuse one that AWS does not have."""
    asked = region or boto3.Session().region_name or DEFAULT_REGION
    if asked not in _regions():
        raise UnknownNameError("AWS region", asked, _regions())
    return asked


@functools.cache
def _regions() -> frozenset[str]:
    """Return the regions of EC2 in every partition, as botocore ships them."""
    session = boto3.Session()
    return frozenset(
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("ec2", partition_name=partition)
    )


def client(service: str, region: str) -> Any:
    """Return a client of ``service`` whose every request, retries and pages included, takes a token."""
    # A config of its own: botocore writes the resolved number of attempts back into it.
    config = Config(retries={"mode": "standard"}, connect_timeout=5, read_timeout=30)
    made = boto3.Session().client(service, region_name=region, config=config)

    def wait_for_turn(event_name: str, **_: object) -> None:
        shared_bucket(service, region, event_name.rsplit(".", 1)[-1]).take()

    made.meta.events.register(f"before-send.{made.meta.service_model.service_id.hyphenize()}", wait_for_turn)
    return made


@contextmanager
def explained(action: str) -> Iterator[None]:
    """Turn what AWS or the network says into a reason to skip, naming the IAM ``action`` where it counts."""
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound, NoRegionError) as error:
        raise SourceSkippedError(f"{NO_CREDENTIALS} ({error})") from error
    except ClientError as error:
        raise SourceSkippedError(_reason(error, action)) from error
    except ResponseParserError as error:
        msg = f"AWS answered {action} with something unreadable ({_first_line(error)}); nothing was changed."
        raise SourceAnswerError(msg) from error
    except BotoCoreError as error:
        msg = f"AWS cannot be reached ({_first_line(error)}). Check the network and try again"
        raise SourceSkippedError(msg) from error


def part(page: Mapping[str, Any], name: str, action: str) -> list[Any]:
    """Return the list called ``name`` of an answer; botocore reads nonsense as an answer without it."""
    found = page.get(name)
    if not isinstance(found, list):
        msg = f"AWS answered {action} with something unreadable: it has no {name}. Nothing was changed."
        raise SourceAnswerError(msg)
    return found


def _reason(error: ClientError, action: str) -> str:
    code = error.response.get("Error", {}).get("Code", "")
    message = error.response.get("Error", {}).get("Message", "")
    if code in _EXPIRED:
        return "the AWS credentials have expired. Run 'aws sso login' or renew the session token"
    if code in _CLOCK or "Signature expired" in message or "Signature not yet current" in message:
        return f"AWS refuses the signature: this machine's clock or the secret key is wrong ({message})"
    if code in _WRONG:
        return f"AWS does not accept the credentials ({code}). Check the access key"
    if code in _DENIED:
        return f"the AWS credentials do not allow this request. Allow the IAM action {action}"
    if code in _THROTTLED:
        return "AWS keeps throttling the requests of this account. Try again in a few minutes"
    return f"AWS answered {action} with {code}: {message}"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
