export { availableProviders, hardwareClass, matches, slotMemoryBytes, threadBudget, threadsFor } from './capability.js';
export { detect, type Detection } from './detect.js';
export { factFiles, parseFacts, type FactFile, type Facts, type Runtime } from './facts.js';
export { loadProfiles, ProfileError } from './load.js';
export { GpuSource, PowerSource, Profile, TemperatureSource } from './profile.js';
export { readFacts } from './read-facts.js';
