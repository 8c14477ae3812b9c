// @peculiar/x509 throws at load unless this comes first.
import 'reflect-metadata';

export { Extension, Name, PublicKey, X509CertificateGenerator } from '@peculiar/x509';
