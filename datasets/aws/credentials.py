"""Whether AWS can be asked from here at all."""

from pathlib import Path

NO_CREDENTIALS = (
    "no AWS credentials were found. Run 'aws configure' or 'aws sso login', or set AWS_PROFILE, "
    "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)
_MAKER = Path("/sys/devices/virtual/dmi/id/sys_vendor")  # "Amazon EC2" on every Nitro instance


def missing_credentials() -> str | None:
    """Return why AWS cannot be asked from here, ``None`` when credentials are configured.

    An instance's role is looked for on EC2 only: elsewhere nothing answers, and each look waits for seconds.
    """
    from botocore.exceptions import BotoCoreError  # a source that is only listed must not load it
    from botocore.session import get_session

    try:
        session = get_session()
        if not _on_ec2():
            session.get_component("credential_provider").remove("iam-role")
        found = session.get_credentials()
    except BotoCoreError as error:
        return f"the AWS credentials cannot be read: {error}"
    return NO_CREDENTIALS if found is None else None


def _on_ec2() -> bool:
    try:
        return "amazon" in _MAKER.read_text(encoding="utf-8").casefold()
    except OSError:
        return False
