import type { UAVariable } from 'node-opcua-address-space';
import { AccessLevelFlag, type DataType, DataValue, StatusCodes, Variant } from 'node-opcua-client';
import type { Address } from './address.js';
import { emptyOf, type FieldType, type FieldValue, isBad } from './fields.js';
import type { History, Kept } from './history.js';

type Kind = { type: FieldType; dataType: DataType };

/** Gives a variable the part of the slot's history that is its own. `read`: undefined where that reading had none. */
export function addHistory(
  { space }: Pick<Address, 'space'>,
  variable: UAVariable,
  { type, dataType }: Kind,
  history: History,
  read: (kept: Kept) => FieldValue | undefined,
): void {
  const shown = (kept: Kept): DataValue => {
    const value = isBad(kept.status) ? undefined : read(kept);
    return new DataValue({
      value: new Variant({ dataType, value: value ?? emptyOf[type] }),
      statusCode: value === undefined && !isBad(kept.status) ? StatusCodes.BadNoData : StatusCodes[kept.status],
      sourceTimestamp: new Date(kept.at),
      serverTimestamp: new Date(kept.at),
    });
  };
  space.installHistoricalDataNode(variable, {
    historian: {
      // The slot keeps one history for all of its variables, as readings come.
      push: () => Promise.resolve(),
      extractDataValues({ startTime, endTime }, most, isReversed, reverseDataValue, callback) {
        const span = { from: given(startTime), to: given(endTime) };
        callback(null, history.within(span, most, isReversed || reverseDataValue).map(shown));
      },
    },
  });
  const access = AccessLevelFlag.CurrentRead | AccessLevelFlag.HistoryRead;
  variable.accessLevel = access;
  variable.userAccessLevel = access;
}

/** "Not given" is a time long ago, in the year 1601. */
const given = (time: Date | null | undefined): number | undefined => {
  const at = time?.getTime() ?? 0;
  return at > 0 ? at : undefined;
};
