import type { SchemaElement } from 'hyparquet-writer';
import type { Column, Kind } from './export-tables.js';

/** Each without a dictionary, which there can be only one of in a column chunk: pages can then follow one another. */
export const encodings = {
  text: 'DELTA_BYTE_ARRAY',
  json: 'PLAIN',
  int: 'DELTA_BINARY_PACKED',
  float: 'PLAIN',
  bool: 'PLAIN',
  time: 'DELTA_BINARY_PACKED',
  ints: 'DELTA_BINARY_PACKED',
} as const satisfies Record<Kind, string>;

export const schemaOf = (columns: readonly Column[]): SchemaElement[] => [
  { name: 'telemetry', num_children: columns.length },
  ...columns.flatMap(elementsOf),
];

function elementsOf({ name, kind }: Column): SchemaElement[] {
  const repetition_type = 'OPTIONAL';
  switch (kind) {
    case 'text':
      return [{ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type }];
    case 'json':
      return [{ name, type: 'BYTE_ARRAY', converted_type: 'JSON', repetition_type }];
    case 'int':
      return [{ name, type: 'INT64', repetition_type }];
    case 'float':
      return [{ name, type: 'DOUBLE', repetition_type }];
    case 'bool':
      return [{ name, type: 'BOOLEAN', repetition_type }];
    case 'time':
      return [{ name, type: 'INT64', converted_type: 'TIMESTAMP_MILLIS', repetition_type }];
    case 'ints':
      return [
        { name, converted_type: 'LIST', num_children: 1, repetition_type },
        { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
        { name: 'element', type: 'INT64', repetition_type },
      ];
  }
}
