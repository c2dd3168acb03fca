import { z } from 'zod';

/** The caller's own name for the part that is inspected. */
export const InspectionId = z.string().regex(/^[\w.:-]{1,128}$/, 'must be up to 128 letters, digits and . : _ -');
