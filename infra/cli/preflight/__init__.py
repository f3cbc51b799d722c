"""The checks of `turnstile preflight`: whether a stage can be deployed in this account and region."""
