/** The config of an agent as short as it may be, but for its mesh; a new one each time, to be changed at will. */
export const plainAgentConfig = () => ({
  store: 'federate.db',
  endpoint: {
    profile: 'https_web',
    listen: '127.0.0.1:8443',
    url: 'https://a.example/',
    certificate_file: 'tls.crt',
    key_file: 'tls.key',
  },
});
