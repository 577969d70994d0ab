"""What users and Knative say: typed, frozen objects with Knative's names, defaults and validation."""
