import { join } from 'node:path';
import {
  DataType,
  MessageSecurityMode,
  nodesets,
  OPCUACertificateManager,
  OPCUAServer,
  SecurityPolicy,
  StatusCodes,
  type UAVariable,
  Variant,
  VariantArrayType,
} from 'node-opcua';

/** A press as its PLC shows it. */
export class PressServer {
  #server: OPCUAServer | undefined;
  #variables = new Map<string, UAVariable>();

  constructor(
    private readonly folder: string,
    readonly port: number,
  ) {}

  get url(): string {
    return `opc.tcp://127.0.0.1:${this.port}`;
  }
  get certificateFile(): string {
    return join(this.folder, 'server-pki', 'own', 'certs', 'certificate.pem');
  }

  async start(): Promise<void> {
    const serverCertificateManager = new OPCUACertificateManager({
      rootFolder: join(this.folder, 'server-pki'),
      automaticallyAcceptUnknownCertificate: true,
    });
    await serverCertificateManager.initialize();
    const server = new OPCUAServer({
      port: this.port,
      hostname: '127.0.0.1',
      nodeset_filename: [nodesets.standard],
      serverCertificateManager,
      certificateFile: this.certificateFile,
      securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
      securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes256_Sha256_RsaPss],
      userManager: { isValidUser: (name: string, password: string) => name === 'line' && password === 'right' },
    });
    await server.initialize();
    this.#server = server;
    this.#addVariables(server);
    await server.start();
  }

  set(name: string, dataType: DataType, value: unknown): void {
    this.#variables.get(name)!.setValueFromSource(new Variant({ dataType, arrayType: VariantArrayType.Scalar, value }));
  }

  break(name: string): void {
    const variable = this.#variables.get(name)!;
    variable.setValueFromSource(variable.readValue().value, StatusCodes.BadSensorFailure);
  }

  async stop(): Promise<void> {
    await this.#server?.shutdown(0);
    this.#server = undefined;
  }

  #addVariables({ engine }: OPCUAServer): void {
    const { addressSpace } = engine;
    const namespace = addressSpace!.getOwnNamespace();
    const values: [string, DataType, unknown][] = [
      ['temperature', DataType.Double, 21.5],
      ['strokes', DataType.Int64, [0, 7]],
      ['mode', DataType.String, 'auto'],
      ['closed', DataType.Boolean, true],
    ];
    for (const [name, dataType, value] of values)
      this.#variables.set(
        name,
        namespace.addVariable({
          componentOf: addressSpace!.rootFolder.objects.server,
          browseName: name,
          nodeId: `ns=1;s=${name}`,
          dataType: DataType[dataType],
          value: new Variant({ dataType, arrayType: VariantArrayType.Scalar, value }),
        }),
      );
  }
}
