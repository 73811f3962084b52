# The four programs in one small image: docker build -t cartwright .
# Without arguments it serves the API on port 8000 from a SQLite file in /data; docker-compose.yml has the larger shape.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# The caches outlive a build, so a change compiles only what it touched. What they hold must be copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --bins \
    && install -D --target-directory=/out/bin \
        target/release/cartwright target/release/email-worker target/release/payment-worker target/release/stock-worker \
    && mkdir /out/data

# No shell and no package manager, only glibc; the same Debian as above, so the programs find the glibc they were built with.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/bin/ /usr/local/bin/
COPY --from=build --chown=nonroot:nonroot /out/data /data
ENV BIND=0.0.0.0:8000 DATA_DIR=/data
VOLUME /data
EXPOSE 8000
# There is no curl here; the program asks its own /health/ready.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["cartwright", "doctor", "--ready"]
ENTRYPOINT ["cartwright"]
CMD ["serve"]
