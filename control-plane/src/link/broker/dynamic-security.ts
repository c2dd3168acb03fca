import { randomBytes, randomUUID } from 'node:crypto';
import { type DeviceId, downKinds, downTopic, sharedUp, TenantId, upKinds, upTopic } from '@flotilla/protocol';
import type { IClientOptions, MqttClient } from 'mqtt';
import { z } from 'zod';
import { shortSession } from './short-session.js';

const requestTopic = '$CONTROL/dynamic-security/v1';
const responseTopic = `${requestTopic}/response`;
const answerWithinMs = 10_000;
const tenant = TenantId.parse('default');

const Responses = z.object({
  responses: z.array(
    z.object({
      command: z.string(),
      correlationData: z.string().optional(),
      error: z.string().optional(),
      data: z.unknown().optional(),
    }),
  ),
});
type Responses = z.infer<typeof Responses>;
const Found = z.object({ data: z.object({ client: z.object({ roles: z.array(z.object({ rolename: z.string() })) }) }) });

type Acl = { acltype: 'publishClientSend' | 'subscribeLiteral'; topic: string; allow: true };
type Command = { command: string } & Record<string, unknown>;
const allow = (acltype: Acl['acltype'], topic: string): Acl => ({ acltype, topic, allow: true });

/** Mosquitto's dynamic-security plugin, administered over MQTT as its documentation says. Every call may be repeated. */
export class DynamicSecurity {
  constructor(
    private readonly url: string,
    private readonly options: IClientOptions,
  ) {}

  /** Nothing is allowed but what a role names; the control plane's role is there and `username` has it. */
  async prepare(username: string): Promise<void> {
    await this.#run([
      { command: 'setDefaultACLAccess', acls: deniedByDefault },
      { command: 'createRole', rolename: controlPlaneRole, acls: controlPlaneAcls },
    ]);
    if (await this.#hasRole(username)) return;
    // This disconnects the client that gets the role, which is us: often before the answer is out.
    const failure = await this.#run([{ command: 'addClientRole', username, rolename: controlPlaneRole }]).catch(
      (error: Error) => error,
    );
    if (!(await this.#hasRole(username))) throw failure;
  }

  /** Literal topics: `pattern … %u` let another tenant in, and a wildcard would let in more than one device. */
  async admit(device: DeviceId): Promise<void> {
    const rolename = `device-${device}`;
    const acls = [
      ...upKinds.map((kind) => allow('publishClientSend', upTopic(tenant, device, kind))),
      ...downKinds.map((kind) => allow('subscribeLiteral', downTopic(tenant, device, kind))),
    ];
    // The password is never told to anyone: a listener that takes passwords lets no device in.
    const password = randomBytes(32).toString('base64url');
    await this.#run([
      { command: 'createRole', rolename, acls },
      { command: 'createClient', username: device, password, roles: [{ rolename }] },
    ]);
  }

  /** Deleting a client also disconnects it. */
  async dismiss(device: DeviceId): Promise<void> {
    await this.#run([
      { command: 'deleteClient', username: device },
      { command: 'deleteRole', rolename: `device-${device}` },
    ]);
  }
  async #hasRole(username: string): Promise<boolean> {
    const [answer] = await this.#run([{ command: 'getClient', username }]);
    const found = Found.safeParse(answer);
    return found.success && found.data.data.client.roles.some(({ rolename }) => rolename === controlPlaneRole);
  }

  async #run(commands: Command[]): Promise<Responses['responses']> {
    const { responses } = await shortSession(this.url, this.options, (client) => ask(client, commands));
    const failed = responses.filter(({ error }) => error !== undefined && !repeated.has(error));
    if (failed.length === 0) return responses;
    const reasons = failed.map(({ command, error }) => `${command}: ${error}`).join('; ');
    throw new Error(`the broker's dynamic-security plugin refused: ${reasons}`);
  }
}

const controlPlaneRole = 'flotilla-control-plane';
const controlPlaneAcls = [allow('subscribeLiteral', sharedUp()), allow('publishClientSend', 'fl/v1/+/+/dn/#')];
const deniedByDefault = [
  { acltype: 'publishClientSend', allow: false },
  { acltype: 'publishClientReceive', allow: true },
  { acltype: 'subscribe', allow: false },
  { acltype: 'unsubscribe', allow: true },
];
// What a repeated call is told; each leaves things as they were wanted.
const repeated = new Set(['Client already exists', 'Role already exists', 'Client not found', 'Role not found']);

async function ask(client: MqttClient, commands: Command[]): Promise<Responses> {
  const correlationData = randomUUID();
  await client.subscribeAsync(responseTopic, { qos: 1 });
  return new Promise<Responses>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(silence)), answerWithinMs);
    client.on('close', () => reject(new Error('the broker closed the administration connection')));
    client.on('message', (_topic, payload) => {
      const answer = Responses.parse(JSON.parse(payload.toString()));
      if (!answer.responses.some((response) => response.correlationData === correlationData)) return;
      clearTimeout(timer);
      resolve(answer);
    });
    const request = { commands: commands.map((command) => ({ ...command, correlationData })) };
    client.publish(requestTopic, JSON.stringify(request), { qos: 1 });
  });
}

const silence =
  'the broker does not answer to $CONTROL/dynamic-security/v1: load the dynamic-security plugin, and set mqtt.dynsec to its administrator';
