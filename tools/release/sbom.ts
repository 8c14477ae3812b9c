interface Component {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly scope?: string;
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
}

/** What we read of a CycloneDX document; the rest stays as npm writes it. */
export interface Sbom {
  readonly bomFormat: string;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/**
 * Takes out of npm's SBOM of a checkout what a package does not have: tools and tests. `shipped` names the packages inside `dist/` and those
 * that an installation brings, as `name@version`. The component itself is named after the package; npm takes the name of the folder. Throws where npm's document has not one of them.
 */
export function shippedSbom(all: Sbom, shipped: ReadonlySet<string>): Sbom {
  const components = all.components
    .filter(({ name, version }) => shipped.has(`${name}@${version}`))
    .map(asShipped);
  const found = new Set(components.map(({ name, version }) => `${name}@${version}`));
  const missing = [...shipped].filter((each) => !found.has(each));
  if (missing.length > 0) throw new Error(`the SBOM of npm has no ${missing.join(', ')}`);
  const refs = new Set([all.metadata.component, ...components].map((each) => each['bom-ref']));
  return {
    ...all,
    metadata: { ...all.metadata, component: { ...asShipped(all.metadata.component), name: 'federate' } },
    components,
    dependencies: all.dependencies
      .filter(({ ref }) => refs.has(ref))
      .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((each) => refs.has(each)) })),
  };
}

/** npm marks what a checkout needs for development, and that is what the build puts into `dist/`. */
function asShipped(component: Component): Component {
  const { properties = [], ...rest } = component;
  const kept = properties.filter(({ name }) => !/^cdx:npm:package:(?:development|private)$/.test(name));
  return { ...rest, scope: 'required', ...(kept.length > 0 ? { properties: kept } : {}) };
}
