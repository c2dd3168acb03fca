import { agentVersion } from '../../version.js';

/** By Triton's names. Of its model_repository there is the index; loads and unloads are refused, as Triton's own server may. */
const extensions = ['binary_tensor_data', 'model_configuration', 'model_repository', 'schedule_policy', 'statistics'];

/** What `GET /v2` answers; the version is the agent's. */
export const serverMetadata = () => ({ name: 'flotilla', version: agentVersion(), extensions });
