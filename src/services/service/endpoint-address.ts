/** A place to connect to. The host is an IP address or a host name, without brackets. */
export interface EndpointAddress {
  readonly host: string;
  readonly port: number;
}
