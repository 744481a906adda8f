"""The platform adapter for VideoSDK."""
