"""Pictures of the loss."""
