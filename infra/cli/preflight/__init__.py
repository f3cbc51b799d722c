"""The checks of `turnstile preflight`: will a deployment of this stage work in this account and region?"""
