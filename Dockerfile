# The server of mien, without root and without anything that it does not need.
#
#     docker build --tag mien .
#     docker run --rm --read-only --tmpfs /tmp --publish 127.0.0.1:8000:8000 mien
#
# Options of `mien serve` follow the name: docker run ... mien --model mien-s --api-key SECRET
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY src src
COPY scripts scripts
RUN scripts/install_server.sh /opt/mien

FROM python:3.12-slim
COPY --from=build /opt/mien /opt/mien
RUN useradd --system --no-create-home --shell /usr/sbin/nologin mien
USER mien
ENV PATH=/opt/mien/bin:$PATH PYTHONDONTWRITEBYTECODE=1
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["mien", "serve", "--host", "0.0.0.0"]
