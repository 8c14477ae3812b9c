# One image for every process of Federate; which one is the command's first word. No build step and no build tools:
# Node runs the TypeScript as it is, and the libraries ship their binaries.
FROM node:24-bookworm-slim

WORKDIR /opt/federate
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force
COPY bin bin
COPY src src

# Sockets and state live in volumes that belong to the unprivileged user; the root file system can be read-only.
RUN ln -s /opt/federate/bin/federate.js /usr/local/bin/federate \
  && ln -s /opt/federate/bin/federate-probe.js /usr/local/bin/federate-probe \
  && mkdir -p /run/federate /var/lib/federate \
  && chown node:node /run/federate /var/lib/federate
USER node
ENTRYPOINT ["federate"]
CMD ["--help"]
