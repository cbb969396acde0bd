"""The only package that imports metaflow: metadata, card datastore, requested resources, hooks."""
