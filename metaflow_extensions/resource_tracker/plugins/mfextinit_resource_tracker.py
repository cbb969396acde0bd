"""What Metaflow loads of this extension."""

STEP_DECORATORS_DESC = [("track_resources", ".track_resources_decorator.TrackResourcesDecorator")]
