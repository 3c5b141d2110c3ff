# One image for upstream, the workers, Flower and the collector: they differ by their command.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/app \
    HOME=/tmp

# Dependencies before code: a change of code reuses this layer.
COPY requirements/run.txt /app/requirements/run.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    HOME=/root PYTHONDONTWRITEBYTECODE= pip install --root-user-action=ignore \
    --disable-pip-version-check --require-hashes -r /app/requirements/run.txt

COPY poolbench /app/poolbench
COPY worker /app/worker
COPY upstream /app/upstream
COPY producer /app/producer
COPY collector /app/collector
# The root filesystem is read-only when it runs: compile now what would be compiled at each start.
RUN python -m compileall -q /app

WORKDIR /app
# The compose file runs containers as the caller, so that results/ stays the caller's.
USER 10001:10001
ENTRYPOINT ["python", "-m"]
CMD ["collector"]
