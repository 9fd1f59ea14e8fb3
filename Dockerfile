# syntax=docker/dockerfile:1

# Both stages are of one Debian release, so that the program finds the C library that it was linked with.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin testyard && \
    cp target/release/testyard /usr/local/bin/testyard

FROM debian:bookworm-slim
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates && \
    rm -rf /var/lib/apt/lists/* && \
    install -d -o 65532 -g 65532 -m 0700 /var/lib/testyard
COPY --from=build /usr/local/bin/testyard /usr/local/bin/testyard
LABEL org.opencontainers.image.title="Testyard" \
      org.opencontainers.image.description="Test orchestration: builds and tests in, runners called, results kept and delivered to KCIDB" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"

# A container's address is not loopback, so the service starts only with tokens (TESTYARD_TOKENS=name:scope:sha256,…) or
# when TESTYARD_OPEN=true says that everybody may do everything.
ENV TESTYARD_LISTEN=0.0.0.0:8080 \
    TESTYARD_STATE_DIR=/var/lib/testyard \
    TESTYARD_LOG_FORMAT=json

USER 65532:65532
# The SQLite database, unless DATABASE_URL names PostgreSQL.
VOLUME /var/lib/testyard
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["testyard", "healthcheck"]
ENTRYPOINT ["testyard"]
CMD ["serve"]
