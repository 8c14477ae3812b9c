import { describe, expect, it } from 'vitest';
import { parseEndpointUrl } from '../../src/spiffe/index.ts';
import { codeOf } from './attempt.ts';

describe('parseEndpointUrl()', () => {
  it.each([
    'https://10.0.0.1:8443/x/y?z=1',
    'https://host.example',
    'https://[::1]:9443/',
    'https://host.example/b?at=@x',
    'HTTPS://host.example/',
  ])('accepts %s (FED-08)', (text) => {
    expect(parseEndpointUrl(text).href).toBe(new URL(text).href);
  });

  it.each([
    ['http://host.example/', 'url-scheme'],
    ['ftp://host.example/', 'url-scheme'],
    ['spiffe://td/x', 'url-scheme'],
    ['https://u@host.example/', 'url-userinfo'],
    ['https://u:p@host.example/', 'url-userinfo'],
    ['https://@host.example/', 'url-userinfo'],
    ['https://:@host.example/', 'url-userinfo'],
    ['host.example', 'url-invalid'],
    ['', 'url-invalid'],
    ['https://', 'url-invalid'],
    ['https:host.example/', 'url-invalid'],
    ['https:///host.example/', 'url-invalid'],
    ['https://host.example/a b', 'url-invalid'],
    ['https://host.example\\@evil.example/', 'url-invalid'],
    ['https://host.exa\tmple/', 'url-invalid'],
    ['https://host.example/#f', 'url-invalid'],
    [`https://host.example/${'a'.repeat(2048)}`, 'url-invalid'],
  ])('refuses %s with %s (FED-08)', (text, code) => {
    expect(codeOf(() => parseEndpointUrl(text))).toBe(code);
  });
});
