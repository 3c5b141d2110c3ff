# Two images: `runtime` runs the workers, upstream and Flower; `collector` runs the collector alone.
FROM python:3.13-slim AS base

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/app \
    HOME=/tmp
WORKDIR /app
ENTRYPOINT ["python", "-m"]

# In each image, dependencies come before code: a change of code reuses their layer.
# The root filesystem is read-only at run time: everything is compiled now.
FROM base AS runtime
RUN --mount=type=bind,source=requirements/runtime.txt,target=/requirements.txt \
    --mount=type=cache,target=/root/.cache/pip \
    HOME=/root PYTHONDONTWRITEBYTECODE= pip install --root-user-action=ignore \
    --disable-pip-version-check --require-hashes -r /requirements.txt
COPY poolbench poolbench
COPY worker worker
COPY upstream upstream
RUN python -m compileall -q .
# The compose file runs containers as the caller, so that results/ stays the caller's.
USER 10001:10001

FROM base AS collector
RUN --mount=type=bind,source=requirements/collector.txt,target=/requirements.txt \
    --mount=type=cache,target=/root/.cache/pip \
    HOME=/root PYTHONDONTWRITEBYTECODE= pip install --root-user-action=ignore \
    --disable-pip-version-check --require-hashes -r /requirements.txt
COPY poolbench poolbench
COPY collector collector
RUN python -m compileall -q .
USER 10001:10001
CMD ["collector"]
