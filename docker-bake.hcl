# docker buildx bake: the image for both kinds of machine, as an archive. Each is built on its own kind: by a builder of that
# kind, or under QEMU (docker run --privileged --rm tonistiigi/binfmt --install all).
variable "VERSION" { default = "dev" }
variable "COMMIT" { default = "" }

group "default" { targets = ["federate"] }

target "federate" {
  context   = "."
  platforms = ["linux/amd64", "linux/arm64"]
  tags      = ["federate:${VERSION}"]
  args      = { COMMIT = COMMIT }
  labels = {
    "org.opencontainers.image.title"    = "federate"
    "org.opencontainers.image.version"  = VERSION
    "org.opencontainers.image.revision" = COMMIT
    "org.opencontainers.image.licenses" = "Apache-2.0"
  }
  output = ["type=oci,dest=federate-${VERSION}.oci.tar"]
}
