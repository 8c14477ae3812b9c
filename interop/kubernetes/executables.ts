import { findExecutable } from '../support/program.ts';

/** How a real API server is found. */
export const API_SERVER = { variable: 'FEDERATE_KUBE_APISERVER', command: 'kube-apiserver' };

/** The API server for a program that needs one; undefined where it or its etcd is nowhere. */
export function apiServerBeside(): string | undefined {
  return withEtcd(findExecutable(API_SERVER));
}

/** The API server itself, where there is an etcd for it too. */
export function withEtcd(apiServer: string | undefined): string | undefined {
  return etcdExecutable() === undefined ? undefined : apiServer;
}

/** What keeps the API server's objects. */
export function etcdExecutable(): string | undefined {
  return findExecutable({ variable: 'FEDERATE_ETCD', command: 'etcd' });
}
