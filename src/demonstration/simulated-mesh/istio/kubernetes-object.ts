/** The part of a Kubernetes object's metadata that is simulated. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly creationTimestamp: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What an object is besides its type and its metadata: `data` of a ConfigMap, `spec` of most others. */
export type ObjectContent = Readonly<Record<string, unknown>>;

/** An object as the server stores and shows it. */
export interface KubernetesObject extends ObjectContent {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta & { readonly namespace: string };
}

/** What a client sends: the server's own fields of the metadata may be missing. */
export interface ObjectInput {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    /** The version that the client read; absent means "any version". */
    readonly resourceVersion?: string;
    readonly uid?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly content: ObjectContent;
}
