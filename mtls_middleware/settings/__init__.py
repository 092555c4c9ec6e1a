"""What the operator wants, from the environment or from code: parsed, checked as a whole, and frozen."""

from mtls_middleware.settings.model import Settings
from mtls_middleware.settings.secrets import SecretSetting

__all__ = ["SecretSetting", "Settings"]
