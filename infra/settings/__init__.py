"""The settings of a deployment (`cdk deploy -c name=value`), parsed and checked.

Nothing here imports the CDK, which loads slowly: the command line reads some of these settings, too.
"""
