"""Whether AWS can be asked from here at all."""

NO_CREDENTIALS = (
    "no AWS credentials were found. Run 'aws configure' or 'aws sso login', or set AWS_PROFILE, "
    "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)


def missing_credentials() -> str | None:
    """Return why AWS cannot be asked from here, ``None`` when credentials are configured."""
    import boto3  # a source that is only listed must not load it
    from botocore.exceptions import BotoCoreError

    try:
        found = boto3.Session().get_credentials()
    except BotoCoreError as error:
        return f"the AWS credentials cannot be read: {error}"
    return NO_CREDENTIALS if found is None else None
