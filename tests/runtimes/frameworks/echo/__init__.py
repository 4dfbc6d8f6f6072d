"""A framework as a third party adds it: this folder, and a line in the settings."""
