/** The control plane's identity at a broker; the dot keeps it apart from every device id. */
export const controlPlaneName = 'flotilla.control-plane';
export const serverName = 'flotilla.server';
