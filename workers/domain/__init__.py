"""The pure core: commands in, decisions out. No AWS, no clock, no random ids, no environment."""
