# One image for all of knet: controller, autoscaler, activator, queue-proxy (what runs without arguments) and Envoy.
#   docker build -t knet:0.1.0 .
# The steps are tools/image/install.sh, which runs without a container engine too (tests/image).
ARG PYTHON=3.12.12-slim-bookworm

FROM python:${PYTHON} AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE Makefile ./
COPY knet knet
COPY templates templates
COPY tools/image tools/image
RUN tools/image/install.sh /opt/knet

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="knet" \
      org.opencontainers.image.description="The networking layer of serverless on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/knet /opt/knet
ENV PATH=/opt/knet/bin:$PATH \
    ENVOY_BIN=/opt/knet/bin/envoy \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
# nobody's: manifests say the same
USER 65532:65532
ENTRYPOINT ["knet"]
# the queue-proxy's container has an image and an environment, and no arguments
CMD ["queue-proxy"]
