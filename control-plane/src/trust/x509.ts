// The library's dependency injection needs this polyfill first.
import 'reflect-metadata';
export * from '@peculiar/x509';
