"""Read queues, decisions and the fullest events of a deployment."""
