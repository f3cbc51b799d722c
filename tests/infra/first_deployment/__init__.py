"""The first deployment of production, which may fail: the CDK's command line against a model of CloudFormation."""
