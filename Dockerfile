# Boxoffice in a container: the binary, and what it is linked to.
#
#   docker build -t boxoffice .
#   docker run -p 127.0.0.1:8080:8080 -v boxoffice:/data boxoffice

FROM rust:1.95-bookworm AS toolchain
WORKDIR /src

# What Cargo must know to build the dependencies: the manifests, and sources with nothing in them. As long
# as no manifest changes, neither does this, and the layer with the dependencies is used again.
FROM toolchain AS manifests
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -name main.rs ! -name lib.rs ! -path '*/benches/*.rs' ! -path './.cargo/*' -delete \
    && for file in $(find . -name lib.rs); do : > "$file"; done \
    && for file in $(find . -name main.rs -o -path '*/benches/*.rs'); do echo 'fn main() {}' > "$file"; done \
    && find . -type d -empty -delete

FROM toolchain AS build
COPY --from=manifests /src .
RUN cargo build --release --locked --features kafka-tls --bin boxoffice
COPY . .
# Sources are older than what was just built from their empty forerunners; Cargo goes by the time.
RUN find . -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --features kafka-tls --bin boxoffice \
    && mkdir /empty

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/boxoffice /usr/local/bin/boxoffice
# Owned by who runs it, so that volumes that are mounted here are, too.
COPY --from=build --chown=65532:65532 /empty /data
COPY --from=build --chown=65532:65532 /empty /keys
USER 65532:65532
ENV BOXOFFICE__NODE__DATA_DIR=/data \
    BOXOFFICE__PUBLIC__ADDRESS=0.0.0.0:8080 \
    BOXOFFICE__INTERNAL__ADDRESS=0.0.0.0:8081 \
    BOXOFFICE__ADMIN__ADDRESS=0.0.0.0:9090 \
    BOXOFFICE__LOG__FORMAT=json
VOLUME /data
EXPOSE 8080 8081 9090
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 \
    CMD ["/usr/local/bin/boxoffice", "health"]
ENTRYPOINT ["/usr/local/bin/boxoffice"]
CMD ["serve"]
