# The image of every Lethe process: one binary, a subcommand for each process, no shell and no root.
# syntax=docker/dockerfile:1
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG BUILD_ID=""
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w -X main.buildID=${BUILD_ID}" -o /out/lethe ./cmd/lethe

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/lethe /usr/local/bin/lethe
USER nonroot
ENTRYPOINT ["/usr/local/bin/lethe"]
