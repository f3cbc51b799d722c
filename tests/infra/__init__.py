"""The deployment: templates, grants, bundles."""

import infra  # noqa: F401 - before anything imports the CDK: it names the Node to use
