# `cenet serve` for a model of `cenet export`, by ONNX Runtime: no PyTorch, and no model in the image.
#   cenet export vessels-open --output served/model.onnx
#   docker compose up --build
FROM python:3.12-slim AS build
WORKDIR /source
COPY requirements-runtime.txt requirements-serve.txt constraints.txt ./
RUN python -m venv /opt/cenet \
    && /opt/cenet/bin/pip install --no-cache-dir --requirement requirements-serve.txt --constraint constraints.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
RUN /opt/cenet/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim
COPY --from=build /opt/cenet /opt/cenet
ENV PATH=/opt/cenet/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /models
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health')"]
# SIGTERM, which `docker stop` sends, finishes what was accepted; give it the time with --stop-timeout.
ENTRYPOINT ["cenet", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD ["/models/model.onnx"]
