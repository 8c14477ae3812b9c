# One image for every process of Federate; which one is the command's first word. The last stage has what runs and nothing
# else: Node.js, the C libraries that it needs, dist/ and SQLite. No shell, no npm, no sources.
# The same file builds for linux/amd64 and linux/arm64 (docker-bake.hcl).
ARG BASE=node:24-bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
# Packages of this repository are in here, and the build.
COPY tools tools
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY bin bin
COPY src src
ARG COMMIT
RUN node tools/build/build.ts --commit "$COMMIT"
COPY deploy/image/collect.sh ./
RUN sh collect.sh /image

FROM scratch
COPY --from=build /image /
# Sockets and state live in volumes that belong to the unprivileged user; the root file system can be read-only.
COPY --from=build --chown=1000:1000 /image/empty /run/federate
# What an agent writes for its gateway.
COPY --from=build --chown=1000:1000 /image/empty /run/routes
COPY --from=build --chown=1000:1000 /image/empty /var/lib/federate
ENV PATH=/usr/local/bin
USER 1000:1000
ENTRYPOINT ["federate"]
CMD ["--help"]
