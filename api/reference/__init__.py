"""The reference page: the API shown in a browser, on every stage but production."""
