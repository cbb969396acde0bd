"""What placed the step where it runs, told by variables that each of them sets in its containers.

Sources: Kubernetes, "Environment variables for Services",
https://kubernetes.io/docs/tutorials/services/connect-applications-service/; "AWS Batch job environment variables",
https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html; AWS_EXECUTION_ENV as the ECS agent sets it;
ARGO_WORKFLOW_NAME as Metaflow sets it in its templates of Argo Workflows.
"""

from __future__ import annotations

from collections.abc import Mapping

KUBERNETES = "KUBERNETES_SERVICE_HOST"
_FARGATE = "AWS_ECS_FARGATE"


def scheduler_of(environ: Mapping[str, str]) -> str | None:
    """The scheduler's name, such as ``"AWS Batch on Fargate"``; ``None`` where none is known of.

    Of the values only that of ``AWS_EXECUTION_ENV`` is looked at: names of jobs and pods are nobody's business.
    """
    on_kubernetes, execution = KUBERNETES in environ, environ.get("AWS_EXECUTION_ENV")
    if "AWS_BATCH_JOB_ID" in environ:
        where = "Kubernetes" if on_kubernetes else "Fargate" if execution == _FARGATE else ""
        return f"AWS Batch on {where}" if where else "AWS Batch"
    if on_kubernetes:
        return "Argo Workflows on Kubernetes" if "ARGO_WORKFLOW_NAME" in environ else "Kubernetes"
    if execution == _FARGATE:
        return "Amazon ECS on Fargate"
    return "Amazon ECS" if "ECS_CONTAINER_METADATA_URI_V4" in environ else None
