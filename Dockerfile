# Images of the platform and of its engines. BASE_IMAGE: any Debian with Python 3.11 or
# newer, python3-venv and CA certificates, such as python:3.11-slim; where no registry
# can be reached, one made by debootstrap.
ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS base
# Wheels put beside this file are taken first; with PIP_NO_INDEX=1, nothing else is.
ARG PIP_NO_INDEX=
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY constraints.txt wheels* /tmp/wheels/
RUN python3 -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_FIND_LINKS=/tmp/wheels \
    PIP_NO_INDEX=${PIP_NO_INDEX}

# An engine is told all on its standard input and runs as the user the platform names.
FROM base AS engine-llamacpp
RUN pip install -c /tmp/wheels/constraints.txt xllamacpp && rm -rf /tmp/wheels
COPY runtimes/engines /opt/engine/runtimes/engines
ENV PYTHONPATH=/opt/engine
USER 65534:65534

# All roles; which one is the command: web, api, worker and monitor are started by what
# a deployment says. The Docker driver needs the daemon's socket, and the host's network
# and /proc to see what it sees there.
FROM base AS platform
COPY requirements.txt /tmp/wheels/
RUN pip install -r /tmp/wheels/requirements.txt && rm -rf /tmp/wheels
WORKDIR /opt/llmplatform
COPY . .
RUN python -c "from pathlib import Path; from babel.messages.mofile import write_mo; \
from babel.messages.pofile import read_po; \
[write_mo(p.with_suffix('.mo').open('wb'), read_po(p.open('rb'))) \
for p in Path('locale').glob('*/LC_MESSAGES/*.po')]" \
 && useradd --uid 1000 --create-home platform \
 && mkdir /data && chown platform /data
USER platform
ENV DATA_DIR=/data
VOLUME /data
EXPOSE 3000 8000
CMD ["python", "manage.py", "check", "--deploy"]
